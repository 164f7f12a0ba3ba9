/** What keeps the key: the keyring of the system this runs on. */
export type KeyringBackend = 'secret-service' | 'macos-keychain' | 'windows-credential-manager'

/** @param platform - As `process.platform`. */
export function backendOf(platform: string): KeyringBackend {
  if (platform === 'darwin') return 'macos-keychain'
  if (platform === 'win32') return 'windows-credential-manager'
  return 'secret-service'
}
