// Answers Airflow with WeChat's reports; README.md says how to deploy it.
const cloud = require('wx-server-sdk')

cloud.init({ env: cloud.DYNAMIC_CURRENT_ENV })

// The calls a caller may name. Each must be in config.json too, under permissions.openapi.
const ALLOWED = ['getDailyVisitTrend', 'getWeeklyVisitTrend', 'getMonthlyVisitTrend']

// WeChat's own code for a cloud function that failed. Not -1, which means "busy, ask again".
const FUNCTION_FAILED = -504002

const isDate = (value) => typeof value === 'string' && /^[0-9]{8}$/.test(value)

// WeChat sets these for calls of a Mini Program's users, never for calls through the HTTP API.
const calledByUser = ({ OPENID, FROM_OPENID }) => Boolean(OPENID || FROM_OPENID)

const refusalOf = ({ api, beginDate, endDate }) => {
  if (calledByUser(cloud.getWXContext())) {
    return { errCode: 48001, errMsg: 'refused: called by a user of the Mini Program, call through the HTTP API' }
  }
  if (!ALLOWED.includes(api)) {
    return { errCode: 40097, errMsg: `refused: api is ${JSON.stringify(api)}, allowed are ${ALLOWED.join(', ')}` }
  }
  if (!isDate(beginDate) || !isDate(endDate)) {
    const given = JSON.stringify({ beginDate, endDate })
    return { errCode: 61500, errMsg: `refused: dates are ${given}, allowed are strings such as "20170313"` }
  }
  return null
}

const failureOf = (error) => {
  const { errCode, errMsg, message } = Object(error)
  const known = Number.isInteger(errCode) && errCode !== 0
  return { errCode: known ? errCode : FUNCTION_FAILED, errMsg: errMsg || message || String(error) }
}

exports.main = async (event) => {
  const { api, beginDate, endDate } = Object(event)
  const refusal = refusalOf({ api, beginDate, endDate })
  if (refusal) return refusal
  try {
    return await cloud.openapi.analysis[api]({ beginDate, endDate })
  } catch (error) {
    return failureOf(error)
  }
}
