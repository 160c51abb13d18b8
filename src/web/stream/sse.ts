/** An event of a stream of server-sent events. */
export interface ServerEvent {
  name: string;
  data: string;
}

/** No event of the dashboard is near this size; a stream without line breaks must not fill the memory of a tab. */
const MAX_CHARS = 32 * 1024 * 1024;

/** Splits the text of a stream into events, however it is cut into pieces. Comments and unknown fields are skipped. */
export class EventParser {
  private rest = '';
  private name = '';
  private data: string[] = [];

  /**
   * The events that this piece completes.
   * @throws Error when a line is longer than any event can be.
   */
  push(text: string): ServerEvent[] {
    this.rest += text;
    if (this.rest.length > MAX_CHARS) throw new Error('an event of the stream is too long');
    const events: ServerEvent[] = [];
    for (;;) {
      const end = this.rest.search(/[\r\n]/);
      // A carriage return at the very end may be followed by its line feed in the next piece.
      if (end < 0 || (this.rest[end] === '\r' && end === this.rest.length - 1)) return events;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith('\r\n', end) ? 2 : 1));
      const event = this.line(line);
      if (event !== undefined) events.push(event);
    }
  }

  private line(line: string): ServerEvent | undefined {
    if (line === '') {
      const event = { name: this.name === '' ? 'message' : this.name, data: this.data.join('\n') };
      const complete = this.data.length > 0;
      this.name = '';
      this.data = [];
      return complete ? event : undefined;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.name = value;
    else if (field === 'data') this.data.push(value);
    return undefined;
  }
}
