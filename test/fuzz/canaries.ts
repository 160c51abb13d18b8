/** Text in every payload. No log, response header or error may contain it. */
export const PAYLOAD_NUMBER = 73_313.125;
export const PAYLOAD_TEXT = 'payload-canary-q7';
/** Text in unusual addresses and headers. No log may contain it. */
export const ADDRESS_TEXT = 'address-canary-z3';
export const HEADER_TEXT = 'header-canary-k5';

/** Spellings of payloads and of results computed from them. */
export const PAYLOAD_MARKS: readonly string[] = [String(PAYLOAD_NUMBER), PAYLOAD_TEXT];

/** Text that no log may contain. */
export const LOG_MARKS: readonly string[] = [...PAYLOAD_MARKS, ADDRESS_TEXT, HEADER_TEXT];
