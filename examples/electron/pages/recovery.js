/** The window before the first one. The main process says what it is about, and waits for one answer to each question. */

const element = (id) => document.getElementById(id)

const WHY = {
  ERR_WRONG_KEY:
    'The keychain of this computer no longer has the key of your secrets. With the code they open, and the keychain gets a key again.',
  ERR_NO_KEYRING:
    'The keychain of this computer does not answer: it is locked, or none is running. With the code your secrets open this once.',
}

const WRONG = {
  TypeError: 'There is a mistake in it. Look at each group again.',
  ERR_WRONG_KEY: 'It has no mistakes, but it is not the code of these secrets.',
}

const ADVICE = {
  ERR_NO_KEYRING:
    'There is no keychain that could keep their key. Start and unlock it (on Linux: GNOME Keyring or KWallet), then start this app again.',
  ERR_LOCKED: 'Another program is using them. Close it, then start this app again.',
  ERR_CORRUPT: 'Their files are damaged. Restore the folder of this app, all of it, from a backup.',
  ERR_ROLLBACK: 'Their files are of different times. Restore the folder of this app, all of it, from one backup.',
  ERR_UNSUPPORTED_VERSION: 'They were written by a newer version of this app. Install that one.',
}

const SHOW = {
  offer({ code }) {
    for (const group of code.split('-')) {
      const part = document.createElement('span')
      part.textContent = group
      element('code').append(part, ' ')
    }
  },
  code({ reason, isFirst }) {
    if (isFirst) element('why').textContent = WHY[reason]
    else element('wrong').textContent = WRONG[reason]
  },
  failure({ code, message }) {
    element('advice').textContent = ADVICE[code] ?? 'Something is in the way. What it is, is said below.'
    element('detail').textContent = message
  },
}

const SECTIONS = { offer: 'offer', code: 'code-question', failure: 'failure' }

window.recovery.onQuestion((question) => {
  SHOW[question.type](question)
  for (const [type, id] of Object.entries(SECTIONS)) element(id).hidden = type !== question.type
  document.title = document.querySelector('main:not([hidden]) h1').textContent
  if (question.type === 'code') element('typed').select()
  else document.querySelector('main:not([hidden]) h1').focus()
})

function answer(value) {
  // It is not to be in the page for longer than it is to be seen.
  element('code').replaceChildren()
  window.recovery.answer(value)
}

element('written').addEventListener('click', () => answer(true))
element('later').addEventListener('click', () => answer(false))
element('ask').addEventListener('submit', (event) => {
  event.preventDefault()
  element('wrong').textContent = ''
  answer(element('typed').value)
})
for (const button of document.querySelectorAll('.quit')) button.addEventListener('click', () => window.close())
