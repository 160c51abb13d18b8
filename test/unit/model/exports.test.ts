import { describe, expect, it } from 'vitest';
import { fromConfig } from '../../../src/lib/model/hugging-face.js';
import { fromProcessor } from '../../../src/lib/model/image-export.js';
import { fromSentenceModel } from '../../../src/lib/model/sentence-export.js';

const IMAGENET = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
const normal = { mean: IMAGENET.image_mean, std: IMAGENET.image_std };

describe('preprocessor_config.json', () => {
  it.each<[string, object, object]>([
    [
      'google/vit-base-patch16-224',
      {
        do_normalize: true,
        do_resize: true,
        image_mean: [0.5, 0.5, 0.5],
        image_std: [0.5, 0.5, 0.5],
        size: 224,
      },
      { size: 224, resample: 'bilinear', mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    ],
    [
      'openai/clip-vit-base-patch32',
      {
        crop_size: 224,
        do_center_crop: true,
        do_normalize: true,
        do_resize: true,
        feature_extractor_type: 'CLIPFeatureExtractor',
        resample: 3,
        size: 224,
        ...IMAGENET,
      },
      { size: { shortestEdge: 224 }, crop: 224, resample: 'bicubic', ...normal },
    ],
    [
      'facebook/convnext-tiny-224',
      {
        crop_pct: 0.875,
        do_normalize: true,
        do_resize: true,
        feature_extractor_type: 'ConvNextFeatureExtractor',
        resample: 3,
        size: 224,
        ...IMAGENET,
      },
      { size: { shortestEdge: 256 }, crop: 224, resample: 'bicubic', ...normal },
    ],
    [
      'ConvNeXT of 384 pixels, not cut',
      {
        image_processor_type: 'ConvNextImageProcessor',
        size: { shortest_edge: 384 },
        resample: 3,
        ...IMAGENET,
      },
      { size: 384, resample: 'bicubic', ...normal },
    ],
    [
      'apple/mobilevit-small',
      {
        crop_size: { height: 256, width: 256 },
        do_center_crop: true,
        do_flip_channel_order: true,
        do_resize: true,
        image_processor_type: 'MobileViTImageProcessor',
        resample: 2,
        rescale_factor: 0.00392156862745098,
        size: { shortest_edge: 288 },
      },
      {
        size: { shortestEdge: 288 },
        crop: { height: 256, width: 256 },
        resample: 'bilinear',
        rescale: 0.00392156862745098,
        colors: 'bgr',
      },
    ],
    [
      'one that does nothing but normalise',
      {
        do_resize: false,
        do_rescale: false,
        do_center_crop: false,
        crop_size: 224,
        resample: 1,
        ...IMAGENET,
      },
      { resample: 'lanczos', rescale: 1, ...normal },
    ],
    [
      'one that does not normalise',
      { size: { height: 32, width: 48 }, do_normalize: false, resample: 0, ...IMAGENET },
      { size: { height: 32, width: 48 }, resample: 'nearest' },
    ],
  ])('of %s becomes preprocess', (_name, config, preprocess) => {
    const { manifest, origins, notes } = fromProcessor({ ...config });
    expect(manifest).toEqual({ preprocess });
    expect(notes).toEqual([]);
    expect(origins).toMatchObject([{ field: 'preprocess', assumed: false }]);
  });

  it.each([
    [{}, /says nothing/],
    [{ size: 224, do_pad: true }, /do_pad/],
    [{ size: { shortest_edge: 224, longest_edge: 300 } }, /longest_edge/],
    [{ size: 'large' }, /not understood/],
    [{ size: 224, resample: 9 }, /not understood/],
    [{ size: 300, image_processor_type: 'EfficientNetImageProcessor', include_top: true }, /twice/],
  ])('is left out with a note where it asks for something else: %j', (config, why) => {
    const { manifest, notes } = fromProcessor(config);
    expect(manifest).toEqual({});
    expect(notes).toEqual([expect.stringMatching(why)]);
  });
});

describe('a model of sentence-transformers', () => {
  const steps = (...types: string[]) =>
    types.map((type, idx) => ({ idx, type: `sentence_transformers.models.${type}` }));
  const MEAN = {
    word_embedding_dimension: 384,
    pooling_mode_mean_tokens: true,
    pooling_mode_cls_token: false,
  };

  it('is an embedding, pooled and normalised as its steps say', () => {
    const { manifest } = fromSentenceModel(steps('Transformer', 'Pooling', 'Normalize'), MEAN);
    expect(manifest).toEqual({ task: 'embedding', pooling: 'mean', normalize: true });
    const cls = { pooling_mode_mean_tokens: false, pooling_mode_cls_token: true };
    expect(fromSentenceModel(steps('Transformer', 'Pooling'), cls).manifest).toEqual({
      task: 'embedding',
      pooling: 'cls',
    });
  });

  it.each([
    [steps('Transformer', 'Pooling', 'Dense'), MEAN, /it has the step Dense/],
    [steps('Transformer', 'Pooling'), { pooling_mode_max_tokens: true }, /pooling_mode_max_tokens/],
    [
      steps('Transformer', 'Pooling'),
      { ...MEAN, pooling_mode_cls_token: true },
      /mean_tokens, pooling_mode_cls/,
    ],
    [{}, MEAN, /lists no steps/],
  ])('is left as tensors with a note where it has other steps', (modules, pooling, why) => {
    const { manifest, notes } = fromSentenceModel(modules, pooling);
    expect(manifest).toEqual({});
    expect(notes).toEqual([expect.stringMatching(why)]);
  });
});

describe('config.json', () => {
  const taskOf = (architecture: string, files: string[], handled = false) => {
    const text = JSON.stringify({ architectures: [architecture], id2label: { 0: 'a', 1: 'b' } });
    const context = { has: (name: string) => files.includes(name), handled };
    return fromConfig(text, 'm/config.json', context).manifest.task;
  };

  it('names the task of its rows where the files that prepare them are there, and no handler makes them', () => {
    const sequence = 'BertForSequenceClassification';
    const image = 'ViTForImageClassification';
    expect(taskOf(sequence, ['tokenizer.json'])).toBe('text-classification');
    expect(taskOf(sequence, [])).toBe('classification');
    expect(taskOf(sequence, ['tokenizer.json'], true)).toBe('classification');
    expect(taskOf(image, ['preprocessor_config.json'])).toBe('image-classification');
    expect(taskOf(image, ['tokenizer.json'])).toBe('classification');
    expect(taskOf('BertForTokenClassification', ['tokenizer.json'])).toBe('classification');
    expect(taskOf('BertModel', ['tokenizer.json'])).toBeUndefined();
  });
});
