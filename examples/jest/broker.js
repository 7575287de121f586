// A broker for tests: copy this file into yours. It needs `culex-broker` on the PATH, or its name in CULEX_BROKER.
'use strict';

const { spawn } = require('node:child_process');
const net = require('node:net');
const readline = require('node:readline');

/** A broker that sees everything, told what to do over its control socket: one step of a scenario a line. */
class Broker {
  static async start() {
    const program = process.env.CULEX_BROKER || 'culex-broker';
    const words = ['--port', '0', '--control', '--print-env', 'json', '--until-eof', '--quiet'];
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = await new Promise((resolve, reject) => {
      child.once('error', reject);
      readline.createInterface({ input: child.stdout }).once('line', (text) => resolve([text]));
    });
    const environment = JSON.parse(line);
    const at = environment.CULEX_CONTROL.lastIndexOf(':');
    const socket = net.connect(Number(environment.CULEX_CONTROL.slice(at + 1)), environment.CULEX_CONTROL.slice(0, at));
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Broker(child, environment, socket);
  }

  constructor(child, environment, socket) {
    this.child = child;
    this.url = environment.MQTT_URL;
    this.socket = socket;
    this.waiting = [];
    readline.createInterface({ input: socket }).on('line', (text) => this.waiting.shift()(JSON.parse(text)));
  }

  ask(request) {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.socket.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** Takes one step: { publish }, { expect }, { fault }, { client }, { advance }, { broker } ... */
  async step(step) {
    const answer = await this.ask(step);
    if (!answer.ok) throw new Error(answer.error);
    return answer;
  }

  publish(topic, more) {
    return this.step({ publish: { topic, ...more } });
  }

  async expect(topic, more) {
    return (await this.step({ expect: { topic, ...more } })).record;
  }

  reset() {
    return this.ask({ ask: 'reset' });
  }

  async stop() {
    this.socket.end();
    this.child.stdin.end();
    await new Promise((resolve) => this.child.once('exit', resolve));
  }
}

module.exports = { Broker };
