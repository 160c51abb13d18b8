import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { settingFlags } from '../../lib/cli/flags.js';
import { startSpinner } from '../../lib/cli/output/progress.js';
import { modelView } from '../../lib/cli/views/model-view.js';
import { amissLines, type BrokenModel, modelsView, readLines } from '../../lib/cli/views/models-view.js';
import { ExitCode } from '../../lib/core/exit-codes.js';
import { quoteWord } from '../../lib/core/quote-word.js';
import type { ModelSignature } from '../../lib/model/signature.js';

export interface ModelsJson {
  dir: string;
  models: ModelSignature[];
  /** Models that could not be read, and why. */
  failed: { name: string; code: string; message: string; hint: string | null }[];
  /** Things that look like a model but are not served, such as a version directory called v1. */
  skipped: { place: string; reason: string; fix: string | null }[];
}

/** Reads every model of the directory as a worker would, without Redis. */
export default class Models extends BaseCommand<typeof Models> {
  static override summary = 'list the models of the models directory and what they take';
  static override description =
    `Loads each model of the directory once, on the CPU, and shows its inputs, outputs and batch axis, and which file its settings were read from.
Models are stored as <name>/<version>/model.onnx; the highest version is used. A Hugging Face export and a model of Triton are read as they are. Exits 3 when some could not be read, 1 when none could.`;
  static override examples = [
    '<%= config.bin %> models',
    '<%= config.bin %> models digits',
    '<%= config.bin %> models --models ./resnet50.onnx',
    "<%= config.bin %> models --json | jq '.models[].name'",
  ];
  static override args = {
    model: Args.string({ description: 'show only this model, in detail; or a .onnx file or a directory' }),
  };
  static override flags = { ...settingFlags('modelsDir') };

  async run(): Promise<ModelsJson | ModelSignature> {
    const { placeAsked } = await import('../../lib/cli/models/place-asked.js');
    const { dir, name } = placeAsked(this.settings.modelsDir, this.args.model);
    return name === undefined ? this.list(dir) : this.one(dir, name);
  }

  private async one(dir: string, name: string): Promise<ModelSignature> {
    const { readSignatures } = await import('../../lib/model/probe-model.js');
    const { findModel } = await import('../../lib/model/repository.js');
    findModel(dir, name);
    const spinner = await startSpinner('reading the model', this.progress);
    const [reading] = await readSignatures(dir, [name]).finally(() => spinner.stop());
    if (reading === undefined || 'error' in reading) throw reading?.error;
    const { signature } = reading.loaded;
    await this.print(modelView(signature, this.layout));
    return signature;
  }

  private async list(dir: string): Promise<ModelsJson> {
    const { readSignatures } = await import('../../lib/model/probe-model.js');
    const { surveyModels } = await import('../../lib/model/survey.js');
    const { skipped } = surveyModels(dir);
    const spinner = await startSpinner('reading models', this.progress);
    const readings = await readSignatures(dir).finally(() => spinner.stop());
    const models = readings.flatMap((reading) => ('loaded' in reading ? [reading.loaded.signature] : []));
    const failed = readings.flatMap((reading) =>
      'error' in reading ? [{ name: reading.name, ...failure(reading.error) }] : [],
    );
    const broken: BrokenModel[] = failed.map(({ name, message, hint }) => ({
      name,
      message,
      hint: hint ?? undefined,
    }));
    await this.print(modelsView(models, this.layout));
    // In a pipe the table is data only, so the rest goes to standard error.
    if (!this.jsonEnabled()) {
      if (!this.quiet) this.printToStderr(readLines(models, this.errorLayout));
      this.printToStderr(amissLines({ models, broken, skipped }, this.errorLayout));
    }
    if (readings.length === 0) this.note(`no models in ${dir}: put one at <name>/1/model.onnx`);
    if (failed.length > 0) this.endWith(models.length === 0 ? ExitCode.Negative : ExitCode.Partial);
    if (models.length > 0) this.next(`infer worker --models ${quoteWord(dir)}`);
    return {
      dir,
      models,
      failed,
      skipped: skipped.map(({ place, reason, fix = null }) => ({ place, reason, fix })),
    };
  }
}

function failure(error: { code: string; message: string; hint: string | undefined }): {
  code: string;
  message: string;
  hint: string | null;
} {
  return { code: error.code, message: error.message, hint: error.hint ?? null };
}
