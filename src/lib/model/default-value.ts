/** As in model.json: one value for all elements of a row, or a list in the row's shape. */
export type DefaultValue = number | string | boolean | DefaultValue[];
