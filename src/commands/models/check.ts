import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { settingFlags } from '../../lib/cli/flags.js';
import type { ModelCommands } from '../../lib/cli/models/next-lines.js';
import { startSpinner } from '../../lib/cli/output/progress.js';
import { interruptible } from '../../lib/cli/signals.js';
import { triedModelView } from '../../lib/cli/views/tried-model-view.js';
import type { ModelSignature } from '../../lib/model/signature.js';

export interface ModelCheckJson {
  model: ModelSignature;
  loadMs: number;
  /** The row that was run, unless it is from --input; null if none could be made up. */
  input: unknown;
  result: unknown;
  runMs: number | null;
  commands: ModelCommands;
}

/** Loads one model and runs a row, as a worker would. */
export default class ModelsCheck extends BaseCommand<typeof ModelsCheck> {
  static override summary = 'load a model, run a row, and print commands that use it';
  static override description =
    `Does what a worker does at load, on the CPU and without Redis, then runs one row: the first of --input, or one of zeros, short texts or a small image.
Fails with the reason and its exit code if the model could not be served.`;
  static override examples = [
    '<%= config.bin %> models check digits',
    '<%= config.bin %> models check digits --input examples/one-digit.json',
    '<%= config.bin %> models check ./resnet50.onnx',
    '<%= config.bin %> models check digits --json | jq -c .input',
  ];
  static override args = {
    model: Args.string({
      required: true,
      description: 'a model of the models directory, a .onnx file, or a directory',
    }),
  };
  static override flags = {
    ...settingFlags('modelsDir'),
    input: Flags.string({ helpValue: '<file>', description: 'run the first row of this file' }),
  };

  async run(): Promise<ModelCheckJson> {
    const { placeAsked } = await import('../../lib/cli/models/place-asked.js');
    const { tryModel } = await import('../../lib/cli/models/try-model.js');
    const { commandsFor } = await import('../../lib/cli/models/next-lines.js');
    const { findOnly } = await import('../../lib/model/repository.js');
    const { model: asked } = this.args;
    const { input: file } = this.flags;
    const { dir, name } = placeAsked(this.settings.modelsDir, asked);
    const model = name ?? findOnly(dir, asked).name;
    const spinner = await startSpinner(`checking ${model}`, this.progress);
    const tried = await interruptible((signal) => tryModel(dir, model, { file, signal })).finally(() =>
      spinner.stop(),
    );
    const isDefault = dir === this.settings.modelsDir && this.loaded.sources.modelsDir.kind !== 'flag';
    const commands = commandsFor(tried, isDefault ? undefined : dir, file);
    await this.print(triedModelView(tried, commands, this.layout));
    const { signature, loadMs, input = null, result = null, runMs = null } = tried;
    return { model: signature, loadMs, input, result, runMs, commands };
  }
}
