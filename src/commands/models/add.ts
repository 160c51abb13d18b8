import path from 'node:path';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { settingFlags, wholeFlag } from '../../lib/cli/flags.js';
import type { ModelCommands } from '../../lib/cli/models/next-lines.js';
import { startSpinner } from '../../lib/cli/output/progress.js';
import { interruptible } from '../../lib/cli/signals.js';
import { triedModelView } from '../../lib/cli/views/tried-model-view.js';
import { currentDir } from '../../lib/core/current-dir.js';
import type { ModelSignature } from '../../lib/model/signature.js';

export interface ModelAddJson {
  model: ModelSignature;
  /** Directory of the new version. */
  dir: string;
  /** What was copied, below the model's directory. */
  files: string[];
  loadMs: number;
  input: unknown;
  result: unknown;
  runMs: number | null;
  commands: ModelCommands;
}

/** Copies a model into a models directory, once it has run. */
export default class ModelsAdd extends BaseCommand<typeof ModelsAdd> {
  static override summary = 'copy a model into the models directory, after a check that it runs';
  static override description =
    `Copies a .onnx file with its external data, a Hugging Face export, a model of Triton or one of infer to <models>/<name>/<version>, then loads it and runs a row there.
It then appears in one step; if it fails, nothing is changed. A model of the same name gets the next version. The directory is ./models, unless --models or INFER_MODELS_DIR names another.`;
  static override examples = [
    '<%= config.bin %> models add ./resnet50.onnx',
    '<%= config.bin %> models add ./distilbert-export --name sentiment',
    '<%= config.bin %> models add ./resnet50.onnx --models /srv/models --input row.json',
    '<%= config.bin %> models add ./resnet50.onnx --version 3 --force',
  ];
  static override args = {
    path: Args.string({ required: true, description: 'a .onnx file, or the directory of one model' }),
  };
  static override flags = {
    ...settingFlags('modelsDir'),
    name: Flags.string({
      helpValue: '<name>',
      description: 'name of the model [default: that of the file or directory]',
    }),
    version: wholeFlag({
      min: 1,
      max: 999_999_999,
      description: 'number of the version [default: the next one]',
    }),
    force: Flags.boolean({ description: 'replace this version, and settings of the model that differ' }),
    input: Flags.string({ helpValue: '<file>', description: 'run the first row of this file' }),
  };

  async run(): Promise<ModelAddJson> {
    const { addModel } = await import('../../lib/cli/models/add-model.js');
    const { commandsFor } = await import('../../lib/cli/models/next-lines.js');
    const { name, version, force, input: file } = this.flags;
    const isDefault = this.loaded.sources.modelsDir.kind === 'default';
    const cwd = currentDir();
    // The models that come with infer are no place for other ones.
    const modelsDir = isDefault ? path.join(cwd, 'models') : this.settings.modelsDir;
    const from = path.resolve(cwd, this.args.path);
    const spinner = await startSpinner('reading the model', this.progress);
    const step = (text: string) => spinner.update(text);
    const plan = { from, modelsDir, name, version, force: force === true, input: file, step };
    const added = await interruptible((signal) => addModel({ ...plan, signal })).finally(() =>
      spinner.stop(),
    );
    const commands = commandsFor(added, isDefault ? undefined : modelsDir, file);
    await this.print(triedModelView(added, commands, this.layout));
    this.note(`added ${added.dir}`);
    const { signature, dir, files, loadMs, input = null, result = null, runMs = null } = added;
    return { model: signature, dir, files, loadMs, input, result, runMs, commands };
  }
}
