import { type Random, random } from '../chaos/random.js';
import { AnswerSchemas } from './answer-schemas.js';
import { Connection, type Outcome } from './connection.js';
import type { ApiDocument } from './document.js';
import { assemble, type Mutation, wireBytes } from './draft.js';
import { Drafts } from './drafts.js';
import { judge, type Known, type Sent } from './judge.js';
import { allMutations, mutate } from './mutations/index.js';

export interface AttackOptions {
  document: ApiDocument;
  port: number;
  seed: number;
  requests: number;
  /** Only this request, counted from 0. */
  only?: number | undefined;
  /** Number of concurrent connections [16]. */
  atOnce?: number | undefined;
  /** Sent with every request; undefined sends none. */
  token?: string | undefined;
  /** A token that may only read. */
  weakToken: string;
  /** Text that no response may contain. */
  secrets: readonly string[];
  /** Codes of errors with a status of 5xx that the set-up can cause [none]. */
  busy?: readonly string[] | undefined;
  /** Time limit of a response, ms [40000]. */
  answerMs?: number | undefined;
  /** Called after the response to each request. */
  onAnswer?: (number: number) => void;
}

/** A request with a wrong response. */
export interface Fault {
  number: number;
  operation: string;
  mutation: string;
  what: string;
  /** The start of the request, escaped. */
  request: string;
}

export interface AttackReport {
  sent: number;
  faults: Fault[];
  /** Number of responses by status; `none` if the connection was closed. */
  statuses: Map<string, number>;
  mutations: Map<string, number>;
  /** Operations without a successful valid request. */
  neverWell: string[];
}

const AT_ONCE = 16;
/** Number of valid requests to each operation, sent before those with a fault. */
const VALID_EACH = 4;
const SHOWN = 400;

/** Sends requests with one fault each, and checks every response. */
export class Attack {
  private readonly drafts: Drafts;
  private readonly mutations: readonly Mutation[];
  private readonly known: Known;
  private readonly report: AttackReport = {
    sent: 0,
    faults: [],
    statuses: new Map(),
    mutations: new Map(),
    neverWell: [],
  };

  constructor(private readonly options: AttackOptions) {
    const { document, token, weakToken, secrets, busy = [] } = options;
    this.known = { document, schemas: new AnswerSchemas(document), busy, secrets };
    this.drafts = new Drafts(document, token);
    this.mutations = allMutations(weakToken);
  }

  async run(): Promise<AttackReport> {
    const { requests, only } = this.options;
    if (only !== undefined) {
      await this.each([only], (connection, number) => this.sendMutated(connection, number));
      return this.report;
    }
    await this.sendValid();
    const numbers = Array.from({ length: requests }, (_, i) => i);
    await this.each(numbers, (connection, number) => this.sendMutated(connection, number));
    return this.report;
  }

  /** Sends valid requests to each operation: faults in requests that never reach it would find nothing. */
  private async sendValid(): Promise<void> {
    const { operations } = this.options.document;
    const well = new Set<string>();
    const numbers = Array.from({ length: operations.length * VALID_EACH }, (_, i) => i);
    await this.each(numbers, async (connection, i) => {
      const operation = operations[i % operations.length] as (typeof operations)[number];
      const draft = this.drafts.draft(operation, this.randomOf(-1 - i));
      const sent = { wire: assemble(draft), early: [], silent: false };
      const outcome = await this.send(connection, -1 - i, operation.name, 'none: a valid request', sent);
      if (!('failure' in outcome) && outcome.status < 400) well.add(operation.name);
    });
    this.report.neverWell = operations.map(({ name }) => name).filter((name) => !well.has(name));
  }

  private async sendMutated(connection: Connection, number: number): Promise<void> {
    const random = this.randomOf(number);
    const draft = this.drafts.draft(random.pick(this.options.document.operations), random);
    const { mutation, wire, early = [], silent = false } = mutate(this.mutations, draft, random);
    this.report.mutations.set(mutation, (this.report.mutations.get(mutation) ?? 0) + 1);
    await this.send(connection, number, draft.operation.name, mutation, { wire, early, silent });
  }

  private async send(
    connection: Connection,
    number: number,
    operation: string,
    mutation: string,
    sent: Sent,
  ): Promise<Outcome> {
    const outcome = await connection
      .ask(sent.wire, this.options.answerMs)
      .catch((error: unknown): Outcome => ({ failure: 'closed', text: `cannot connect: ${String(error)}` }));
    const { report } = this;
    report.sent += 1;
    const status = 'failure' in outcome ? 'none' : String(outcome.status);
    report.statuses.set(status, (report.statuses.get(status) ?? 0) + 1);
    const request = JSON.stringify(wireBytes(sent.wire).toString('latin1', 0, SHOWN));
    for (const what of judge(this.known, sent, outcome))
      report.faults.push({ number, operation, mutation, what, request: this.hidden(request) });
    this.options.onAnswer?.(number);
    return outcome;
  }

  /** Removes secrets, since reports are public. */
  private hidden(request: string): string {
    return this.options.secrets.reduce((text, secret) => text.replaceAll(secret, '…'), request);
  }

  private async each(
    numbers: readonly number[],
    work: (connection: Connection, number: number) => Promise<unknown>,
  ): Promise<void> {
    const { port, atOnce = AT_ONCE } = this.options;
    let next = 0;
    const line = async (): Promise<void> => {
      const connection = new Connection(port);
      for (let number = numbers[next++]; number !== undefined; number = numbers[next++])
        await work(connection, number);
      connection.close();
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, numbers.length) }, line));
  }

  /** Each request has its own random numbers, so it can be repeated without those before it. */
  private randomOf(number: number): Random {
    return random(Math.imul(this.options.seed + 1, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  }
}
