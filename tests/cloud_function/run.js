// Runs a cloud function once: one JSON object in from stdin, one out to stdout.
const fs = require('fs')
const path = require('path')
const sdk = require('wx-server-sdk')

const given = JSON.parse(fs.readFileSync(0, 'utf8'))
const config = JSON.parse(fs.readFileSync(path.join(given.functionFolder, 'config.json'), 'utf8'))

sdk.follow({
  answer: given.answer,
  error: given.error,
  context: given.context,
  permissions: config.permissions.openapi,
})

require(given.functionFolder)
  .main(given.event)
  .then((returned) => console.log(JSON.stringify(Object.assign({ returned }, sdk.recorded))))
