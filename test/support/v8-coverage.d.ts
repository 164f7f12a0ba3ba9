declare module '@bcoe/v8-coverage' {
  /** What a process ran: of each script, by its address, its functions. */
  export interface ProcessCov {
    readonly result: readonly { readonly url: string; readonly functions: readonly unknown[] }[]
  }
  export function mergeProcessCovs(processes: readonly ProcessCov[]): ProcessCov
}
