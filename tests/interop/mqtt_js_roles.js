// npm's mqtt as publisher and subscriber in MQTT 3.1.1 and 5: QoS 0 to 2, retained, durable session, will, properties.
'use strict'
const assert = require('node:assert')
const { once } = require('node:events')
const mqtt = require('mqtt')

const url = `mqtt://${process.env.MQTT_HOST}:${process.env.MQTT_PORT}`
setTimeout(() => { throw new Error('a message did not come') }, 30000).unref()

async function connect(protocolVersion, options = {}) {
  const client = mqtt.connect(url, { protocolVersion, reconnectPeriod: 0, ...options })
  client.queue = []
  client.waiting = []
  // In place before the connection is: a resumed session speaks at once.
  client.on('message', (topic, payload, packet) => {
    const { qos, retain, properties } = packet
    const message = { topic, payload: payload.toString(), qos, retain, properties }
    const next = client.waiting.shift()
    if (next) next(message)
    else client.queue.push(message)
  })
  const [connack] = await once(client, 'connect')
  client.sessionPresent = connack.sessionPresent
  return client
}

function next(client) {
  if (client.queue.length > 0) return Promise.resolve(client.queue.shift())
  return new Promise((resolve) => client.waiting.push(resolve))
}

async function expectNext(client, topic, qos, retain, payload) {
  const { properties, ...message } = await next(client)
  assert.deepStrictEqual(message, { topic, payload, qos, retain })
  return properties
}

async function roles(version) {
  const durable = version === 5
    ? { clientId: 'durable', clean: false, properties: { sessionExpiryInterval: 600 } }
    : { clientId: 'durable', clean: false }
  const will = (topic) => ({ will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false } })
  const subscriber = await connect(version)
  const publisher = await connect(version)

  await subscriber.subscribeAsync('qos/#', { qos: 2 })
  for (const qos of [0, 1, 2]) {
    for (let count = 0; count < 100; count++) await publisher.publishAsync('qos/x', `${count}`, { qos })
    for (let count = 0; count < 100; count++) await expectNext(subscriber, 'qos/x', qos, false, `${count}`)
  }

  await publisher.publishAsync('retained/x', 'kept', { qos: 1, retain: true })
  await subscriber.subscribeAsync('retained/#', { qos: 1 })
  await expectNext(subscriber, 'retained/x', 1, true, 'kept')
  await publisher.publishAsync('retained/x', '', { qos: 1, retain: true })
  await expectNext(subscriber, 'retained/x', 1, false, '')

  const away = await connect(version, durable)
  assert.strictEqual(away.sessionPresent, false)
  await away.subscribeAsync('away/#', { qos: 2 })
  await away.endAsync()
  await publisher.publishAsync('away/x', 'one', { qos: 1 })
  await publisher.publishAsync('away/x', 'two', { qos: 2 })
  const back = await connect(version, durable)
  assert.strictEqual(back.sessionPresent, true)
  await expectNext(back, 'away/x', 1, false, 'one')
  await expectNext(back, 'away/x', 2, false, 'two')
  await back.endAsync()
  await (await connect(version, { clientId: 'durable' })).endAsync()

  await subscriber.subscribeAsync('will/#', { qos: 1 })
  await (await connect(version, will('will/polite'))).endAsync()
  const victim = await connect(version, will('will/victim'))
  victim.stream.destroy()
  await expectNext(subscriber, 'will/victim', 1, false, 'gone')

  if (version === 5) {
    const properties = {
      payloadFormatIndicator: true,
      contentType: 'text/plain',
      responseTopic: 'answers/here',
      correlationData: Buffer.from([0, 1, 255]),
      userProperties: { name: ['1', '2'] },
    }
    await publisher.publishAsync('qos/properties', 'hello', { qos: 1, properties })
    const received = await expectNext(subscriber, 'qos/properties', 1, false, 'hello')
    for (const name of Object.keys(properties)) {
      assert.deepStrictEqual(JSON.stringify(received[name]), JSON.stringify(properties[name]), name)
    }
  }
  await subscriber.endAsync()
  await publisher.endAsync()
}

async function main() {
  for (const version of [4, 5]) await roles(version)
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
