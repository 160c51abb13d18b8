import type { Command } from '@oclif/core';
import type { DeploymentReader } from '../../deployment/deployment-reader.js';
import { BaseCommand } from '../base-command.js';
import { watchFlag } from '../flags.js';
import type { ListFormat } from '../output/list-format.js';
import { interruptible } from '../signals.js';
import type { Watched } from '../watch.js';

/** A command's view of the deployment, printed once or live. */
export interface Screen<S> extends Pick<Watched<S>, 'sorts' | 'body' | 'points'> {
  read(reader: DeploymentReader): Promise<S>;
  /** Its JSON document. */
  json(sample: S): unknown;
  /** Writes it to standard output, in the requested format. */
  print(sample: S): Promise<unknown>;
}

/** The subcommands of `inspect` that can be watched. */
export abstract class InspectCommand<T extends typeof Command> extends BaseCommand<T> {
  static watchFlags = { watch: watchFlag() };

  protected override get streamsJson(): boolean {
    return this.isGiven('watch');
  }

  /** Reads once, or until told to stop. Only a terminal is redrawn: elsewhere a watch reads once. */
  protected async show<S>(screen: Screen<S>): Promise<unknown> {
    const { watch: everyMs, output } = this.flags as { watch?: number; output?: ListFormat };
    if (everyMs !== undefined && this.canDraw(output)) {
      await this.live(screen, everyMs);
      return undefined;
    }
    const { readDeployment } = await import('../../deployment/deployment-reader.js');
    const sample = await readDeployment(this.loaded, (reader) => screen.read(reader));
    if (everyMs === undefined || !this.jsonEnabled()) {
      await screen.print(sample);
      return screen.json(sample);
    }
    // One line per reading, so that programs read the same format in a loop.
    await this.ndjson().write(screen.json(sample));
    return undefined;
  }

  /** The requested columns: all with `-o wide`. */
  protected get tableFormat(): 'table' | 'wide' {
    return (this.flags as { output?: ListFormat }).output === 'wide' ? 'wide' : 'table';
  }

  private canDraw(output: ListFormat | undefined): boolean {
    const text = output === undefined || output === 'table' || output === 'wide';
    if (!text || this.jsonEnabled() || this.quiet || process.stdout.isTTY !== true) return false;
    const { ci, dumb } = this.loaded.terminal;
    if (!ci && !dumb && Number.isFinite(this.layout.width)) return true;
    this.warn('this terminal cannot be redrawn (its size or kind is unknown): showing one look');
    return false;
  }

  private async live<S>(screen: Screen<S>, everyMs: number): Promise<void> {
    const { watchLive } = await import('../watch.js');
    const { ReconnectingReader } = await import('../../deployment/reconnecting-reader.js');
    const steady = new ReconnectingReader(this.loaded);
    const watched: Watched<S> = {
      ...screen,
      title: `${this.config.bin} ${(this.id ?? '').split(':').join(' ')}`,
      read: () => steady.read((reader) => screen.read(reader)),
    };
    const streams = { keys: process.stdin, screen: process.stdout };
    try {
      await interruptible((signal) => watchLive(watched, everyMs, streams, this.layout.paint, signal));
    } finally {
      await steady.close();
    }
  }
}
