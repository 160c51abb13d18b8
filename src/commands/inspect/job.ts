import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { jobView } from '../../lib/cli/views/job-view.js';
import type { TensorPreview } from '../../lib/deployment/payload-preview.js';
import type { PlacedJob } from '../../lib/deployment/read-job.js';
import { modelJson } from '../../lib/queue/job-record.js';
import { serverTime } from '../../lib/redis/server-clock.js';

type JobDetailJson = Omit<PlacedJob, 'endedBy' | 'model'> & {
  model: string;
  /** With --payload: the input's tensors, the first values of each; null when it is no longer kept. */
  payload?: TensorPreview[] | null;
};

const VALUES_SHOWN = 16;

/** Shows one job with everything that happened to it. */
export default class InspectJob extends BaseCommand<typeof InspectJob> {
  static override summary = 'show one job: its state and everything that happened to it';
  static override description =
    `Shows its timeline with every start, retry and lost worker, its position, ETA and the reason while it waits, and what is kept of it and for how long. The input is shown only with --payload, limited to ${VALUES_SHOWN} values of each tensor. Exits 66 when the id is unknown or its record has expired.`;
  static override examples = [
    '<%= config.bin %> inspect job ID',
    '<%= config.bin %> inspect job ID --payload',
    "<%= config.bin %> inspect job ID --json | jq '.timeline.events'",
  ];
  static override args = {
    id: Args.string({ required: true, description: 'id of the job, as submit or inspect jobs printed it' }),
  };
  static override flags = {
    payload: Flags.boolean({ description: 'show the beginning of its input too' }),
  };

  async run(): Promise<JobDetailJson> {
    const { readInspectedJob } = await import('../../lib/deployment/read-job.js');
    const values = this.flags.payload ? VALUES_SHOWN : undefined;
    const { job, payload } = await readInspectedJob(this.loaded, this.args.id, values);
    await this.print(jobView(job, payload, this.layout, serverTime()));
    if (job.state === 'failed') this.next(`infer retry ${job.id}`);
    const { endedBy: _token, ...rest } = job;
    const shown = { ...rest, model: modelJson(job) };
    return payload === undefined ? shown : { ...shown, payload };
  }
}
