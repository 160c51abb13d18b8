import type { GatewayKit } from './gateway-kit.js';

export interface ServerEvent {
  event: string;
  // biome-ignore lint/suspicious/noExplicitAny: events hold any document
  data: any;
}

/** The events of a job as they come, until the server ends the stream. */
export async function* eventsOf(
  gateway: GatewayKit,
  id: string,
  options: { as?: string; signal?: AbortSignal } = {},
): AsyncGenerator<ServerEvent> {
  const answer = await gateway.fetch('GET', `/v1/jobs/${id}/events`, options);
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(piece, { stream: true });
    for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
      const block = text.slice(0, at);
      text = text.slice(at + 2);
      const event = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data) };
    }
  }
}
