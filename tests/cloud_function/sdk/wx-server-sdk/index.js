// A stand-in for WeChat's SDK inside a cloud function: it answers from a script and writes down what it was asked.
// Names, words and codes are those of wx-server-sdk 2.6.3.

const DYNAMIC_CURRENT_ENV = Symbol('DYNAMIC_CURRENT_ENV')
const NO_PERMISSION = -604101

let script = { answer: {}, error: null, context: {}, permissions: [] }
const recorded = { init: null, calls: [] }

class CloudSDKError extends Error {
  constructor(errCode, errMsg) {
    super(`errCode: ${errCode}  | errMsg: ${errMsg}`)
    this.errCode = errCode
    this.errMsg = errMsg
  }
}

// With an errCode: WeChat's refusal. Without: what a bug or another library would throw.
const errorOf = (name, { errCode, errMsg, message }) =>
  errCode === undefined ? new Error(message) : new CloudSDKError(errCode, `${name}:fail ${errMsg}`)

const call = async (name, data) => {
  if (!recorded.init) throw new CloudSDKError(-1, "Cloud API isn't enabled, please call init first")
  recorded.calls.push({ name: `openapi.${name}`, data })
  if (!script.permissions.includes(name)) {
    throw new CloudSDKError(NO_PERMISSION, `system error: error code: ${NO_PERMISSION}`)
  }
  if (script.error) throw errorOf(`openapi.${name}`, script.error)
  return Object.assign({}, script.answer, { errMsg: `openapi.${name}:ok`, errCode: 0 })
}

// As the real one: whatever name is asked for can be called, WeChat decides.
const anyName = (valueOf) => new Proxy({}, { get: (_, name) => valueOf(String(name)) })

module.exports = {
  DYNAMIC_CURRENT_ENV,
  init({ env }) {
    recorded.init = { env: env === DYNAMIC_CURRENT_ENV ? 'DYNAMIC_CURRENT_ENV' : env }
  },
  getWXContext: () => Object.assign({}, script.context),
  openapi: anyName((group) => anyName((name) => (data) => call(`${group}.${name}`, data))),
  // What only the stand-in has.
  follow(newScript) {
    script = newScript
  },
  recorded,
}
