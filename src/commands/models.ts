import { BaseCommand } from '../lib/cli/base-command.js';
import { settingFlags } from '../lib/cli/flags.js';
import { startSpinner } from '../lib/cli/output/progress.js';
import { amissLines, type BrokenModel, modelsView } from '../lib/cli/views/models-view.js';
import { ExitCode } from '../lib/core/exit-codes.js';
import { quoteWord } from '../lib/core/quote-word.js';
import type { ModelSignature } from '../lib/model/signature.js';

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
    `Loads each model of the directory once, on the CPU, and shows its inputs, outputs and batch axis.
Models are stored as <name>/<version>/model.onnx; the highest version is used. Exits 3 when some could not be read, 1 when none could.`;
  static override examples = [
    '<%= config.bin %> models',
    '<%= config.bin %> models --models ./models',
    "<%= config.bin %> models --json | jq '.models[].name'",
  ];
  static override flags = { ...settingFlags('modelsDir') };

  async run(): Promise<ModelsJson> {
    const { readSignatures } = await import('../lib/model/probe-model.js');
    const { surveyModels } = await import('../lib/model/survey.js');
    const dir = this.settings.modelsDir;
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
    const { layout } = this;
    await this.print(modelsView(models, layout));
    // In a pipe the table is data only, so problems go to standard error.
    if (!this.jsonEnabled()) this.printToStderr(amissLines({ models, broken, skipped }, this.errorLayout));
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
