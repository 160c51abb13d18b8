/** What every payload holds: none of it may be in a log, in a header of an answer, or in an error. */
export const PAYLOAD_NUMBER = 73_313.125;
export const PAYLOAD_TEXT = 'payload-canary-q7';
/** What odd addresses and headers hold: not for a log either. */
export const ADDRESS_TEXT = 'address-canary-z3';
export const HEADER_TEXT = 'header-canary-k5';

/** As payloads and what models make of them are written. */
export const PAYLOAD_MARKS: readonly string[] = [String(PAYLOAD_NUMBER), PAYLOAD_TEXT];

/** What a log may not hold. */
export const LOG_MARKS: readonly string[] = [...PAYLOAD_MARKS, ADDRESS_TEXT, HEADER_TEXT];
