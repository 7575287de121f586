// A lamp on MQTT.js, tested without a timer.
'use strict';

const mqtt = require('mqtt');
const { Broker } = require('./broker');

let broker;
let lamp;

beforeAll(async () => {
  broker = await Broker.start();
});

afterAll(() => broker.stop());

beforeEach(async () => {
  await broker.reset();
  lamp = mqtt.connect(broker.url, { clientId: 'lamp', protocolVersion: 5, reconnectPeriod: 0 });
  lamp.on('connect', () => lamp.subscribe('cmd/lamp', { qos: 1 }));
  lamp.on('message', (_, payload) => lamp.publish('state/lamp', payload, { qos: 1 }));
  await broker.step({ expect: { event: 'subscribe', client: 'lamp', topic: 'cmd/lamp' } });
});

afterEach(() => lamp.endAsync(true));

test('the lamp answers', async () => {
  await broker.publish('cmd/lamp', { json: { on: true }, qos: 1, acked_by: 'lamp' });
  const state = await broker.expect('state/{id}', { json: { subset: { on: true } } });
  expect(state.client).toBe('lamp');
});

test('a wrong state is told with what came', async () => {
  await broker.publish('cmd/lamp', { json: { on: false }, qos: 1 });
  await expect(broker.expect('state/lamp', { json: { subset: { on: true } }, within: '200ms' })).rejects.toThrow(
    '/on: is false, must be true',
  );
});
