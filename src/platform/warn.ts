/** Says something to whoever runs the process, through the channel Node has for it. */
export function warn(message: string): void {
  process.emitWarning(message, 'SecretStoreWarning')
}
