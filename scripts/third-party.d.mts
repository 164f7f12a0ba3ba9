export function carriedPackages(directory: string): Map<string, Set<string>>
export function thirdPartyNotices(carried: Map<string, Set<string>>): string
