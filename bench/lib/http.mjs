import { Agent, request } from 'node:http';

/** Calls to one server over connections that are kept. */
export class HttpCalls {
  /** @param {string} url @param {number} connections at most */
  constructor(url, connections) {
    this.url = url;
    this.agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  /**
   * @param {string} path @param {Buffer} body @param {Record<string, string>} [headers]
   * @returns {Promise<Buffer>} the body of the answer, which is a success
   */
  post(path, body, headers = {}) {
    const length = { 'content-length': String(body.length) };
    const options = { method: 'POST', agent: this.agent, headers: { ...headers, ...length } };
    return new Promise((resolve, reject) => {
      const sent = request(`${this.url}${path}`, options, (answer) => {
        /** @type {Buffer[]} */
        const pieces = [];
        answer.on('data', (piece) => pieces.push(piece));
        answer.on('error', reject);
        answer.on('end', () => {
          const { statusCode = 0 } = answer;
          const text = Buffer.concat(pieces);
          if (statusCode < 300) resolve(text);
          else reject(new Error(`POST ${path}: ${statusCode} ${text.toString('utf8', 0, 300)}`));
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  close() {
    this.agent.destroy();
  }
}

/**
 * Opens a stream of events and reads it until it is ended.
 * @param {string} url
 * @returns {Promise<() => void>} once the first event has come; ends it
 */
export function openEvents(url) {
  return new Promise((resolve, reject) => {
    // Each stream has a connection of its own, as those of many callers have.
    const sent = request(url, { agent: false }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`GET ${url}: ${answer.statusCode}`));
      answer.on('data', (piece) => {
        if (String(piece).includes('data:')) resolve(() => sent.destroy());
      });
      answer.on('error', () => undefined);
    });
    sent.on('error', reject);
    sent.end();
  });
}
