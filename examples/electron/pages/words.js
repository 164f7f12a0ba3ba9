/** What is said to people. */

const FAULTS = {
  ERR_CORRUPT: 'The files of this secret are damaged. It takes a backup to have it back.',
  ERR_FAILED: 'It could not be written: is the disk full? Start the app again before the next try.',
  ERR_IO: 'The disk does not answer as it should.',
}

/** Of an error of `window.secrets` the text is all there is; it begins with the code. */
export function faultInWords(error) {
  const [, code, message] = /^(\w+): (.*)$/s.exec(error.message) ?? []
  return FAULTS[code] ?? message ?? error.message
}

export function codeOf(error) {
  return /^\w+(?=: )/.exec(error.message)?.[0]
}

/** `in 59 s`, `in 4 min 12 s`, `in 1 h 0 min`, `in 3 days`, rounded to what is said; from 0 on `expired`. */
export function timeLeft(seconds) {
  if (seconds <= 0) return 'expired'
  if (seconds < 60) return `in ${seconds} s`
  if (seconds < 3600) return `in ${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 1440) return `in ${Math.floor(minutes / 60)} h ${minutes % 60} min`
  const days = Math.round(seconds / 86400)
  return days === 1 ? 'in 1 day' : `in ${days} days`
}

/** A name within a sentence: not all of a long one, and whatever direction it runs in, the sentence goes on in its own. */
export function quote(name) {
  const quoted = document.createElement('bdi')
  const characters = [...name]
  quoted.textContent = characters.length > 60 ? `${characters.slice(0, 60).join('')}…` : name
  return quoted
}
