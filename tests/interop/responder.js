// npm's mqtt as the far side of request and response: answers in capitals, to where and with what the request says.
'use strict'
const mqtt = require('mqtt')

const protocolVersion = { 5: 5, 311: 4 }[process.argv[2]]
const client = mqtt.connect(`mqtt://${process.env.MQTT_HOST}:${process.env.MQTT_PORT}`, { protocolVersion, reconnectPeriod: 0 })

client.on('message', (topic, payload, { qos, properties }) => {
  const answer = payload.toString().toUpperCase()
  if (protocolVersion !== 5) return client.publish('response/fixed', answer, { qos })
  const { responseTopic, correlationData } = properties
  const userProperties = { 'answered-by': 'mqtt.js' }
  client.publish(responseTopic, answer, { qos, properties: { correlationData, userProperties } })
})
client.on('connect', () => client.subscribe('request/#', { qos: 2 }, () => console.log('ready')))
