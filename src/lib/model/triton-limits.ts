import { TritonFault, type TritonMessage } from './triton-fields.js';

/** What a config.pbtxt may say that infer cannot serve, and what it does not use. */

const ONNX_ONLY = 'export the model to ONNX, and use platform: "onnxruntime_onnx"';

/** @throws TritonFault for a model that infer would serve wrongly or not at all. */
export function refuseUnsupported(config: TritonMessage): void {
  const line = (name: string) => config.lineOf(name);
  const ensemble = line('ensemble_scheduling');
  const platform = config.text('platform');
  if (ensemble !== undefined || platform?.value === 'ensemble') {
    throw new TritonFault(
      ensemble ?? platform?.line ?? 1,
      'it is an ensemble, and infer serves models one by one',
      'combine its models into one ONNX file (onnx.compose.merge_models), or call them one after another',
    );
  }
  const others = [
    [platform, 'platform', 'onnxruntime_onnx'],
    [config.text('backend'), 'backend', 'onnxruntime'],
  ] as const;
  for (const [given, field, ours] of others) {
    if (given === undefined || given.value === '' || given.value === ours) continue;
    throw new TritonFault(
      given.line,
      `field ${field} is "${given.value}", and infer runs ONNX models only`,
      ONNX_ONLY,
    );
  }
  const refuse = (at: number | undefined, what: string, fix: string) => {
    if (at !== undefined) throw new TritonFault(at, what, fix);
  };
  refuse(
    line('sequence_batching'),
    'field sequence_batching: infer keeps no state between the requests of a sequence',
    'pass the state as an input and an output of the model',
  );
  for (const field of ['batch_input', 'batch_output'])
    refuse(
      line(field),
      `field ${field}: infer adds no inputs of its own to a run`,
      'export the model without ragged batches',
    );
  const decoupled = config.message('model_transaction_policy')?.flag('decoupled');
  refuse(
    decoupled?.value === true ? decoupled.line : undefined,
    'field model_transaction_policy.decoupled: a row of infer has exactly one result',
    'decoupled: false, if the model returns one result for each request',
  );
  const operators = config.message('model_operations')?.texts('op_library_filename')[0];
  refuse(
    operators?.line,
    `field model_operations.op_library_filename: libraries of own operators are not loaded (${operators?.value})`,
    'export the model with the operators of ONNX',
  );
  for (const section of ['input', 'output']) refuseTensors(config, section);
}

function refuseTensors(config: TritonMessage, section: string): void {
  for (const tensor of config.messages(section)) {
    const name = tensor.text('name')?.value ?? '';
    for (const field of ['is_shape_tensor', 'is_non_linear_format_io', 'allow_ragged_batch']) {
      const flag = tensor.flag(field);
      if (flag?.value !== true) continue;
      const why =
        field === 'allow_ragged_batch'
          ? 'rows of several lengths are not joined into one tensor: they run in groups of equal shape'
          : 'it is for TensorRT';
      throw new TritonFault(flag.line, `field ${field} of ${section} "${name}": ${why}`, `${field}: false`);
    }
  }
}

/** Fields that change nothing here, and what sets the same in infer. */
const UNUSED: readonly (readonly [field: string, instead: string])[] = [
  ['instance_group', 'infer worker --concurrency says how many run at a time, --gpu where'],
  ['model_warmup', 'a row runs at load; "warmup": {"rows": […]} in model.json names further sizes'],
  ['optimization', 'ONNX Runtime optimises the graph by itself, and --provider selects the device'],
  ['parameters', 'infer worker --threads sets the threads of a run'],
  ['response_cache', 'answers are not cached'],
  ['cc_model_filenames', 'one file is served on every device'],
  ['metric_tags', 'metrics have the labels of infer'],
  ['model_metrics', 'metrics have the buckets of infer'],
  ['model_repository_agents', 'files are served as they are'],
  ['runtime', 'infer has its own'],
];

const UNUSED_BATCHING: readonly (readonly [field: string, instead: string])[] = [
  ['max_queue_delay_microseconds', 'infer worker --batch-window sets it for all models of a worker'],
  ['preserve_ordering', 'each caller gets its own answer'],
  ['priority_levels', 'a job has a priority of 0 to 9'],
  ['default_priority_level', 'a job has a priority of 0 to 9'],
  ['default_queue_policy', 'a job has --expires'],
  ['priority_queue_policy', 'a job has --expires'],
];

/** What the file says to no effect, with the line and what to use. */
export function unusedNotes(config: TritonMessage): string[] {
  const notes: string[] = [];
  const add = (message: TritonMessage | undefined, within: string, unused: typeof UNUSED) => {
    for (const [field, instead] of unused) {
      const line = message?.lineOf(field);
      if (line !== undefined)
        notes.push(`config.pbtxt line ${line}: ${within}${field} is not used: ${instead}`);
    }
  };
  add(config, '', UNUSED);
  add(config.message('dynamic_batching'), 'dynamic_batching.', UNUSED_BATCHING);
  for (const input of config.messages('input')) {
    const name = input.text('name')?.value;
    const optional = input.flag('optional');
    if (optional?.value === true)
      notes.push(
        `config.pbtxt line ${optional.line}: input ${name} may be left out only with a "default" in model.json`,
      );
  }
  for (const tensor of [...config.messages('input'), ...config.messages('output')]) {
    const reshape = tensor.lineOf('reshape');
    if (reshape !== undefined)
      notes.push(
        `config.pbtxt line ${reshape}: reshape of ${tensor.text('name')?.value} is not applied: callers see the shape that the model has`,
      );
  }
  return notes;
}
