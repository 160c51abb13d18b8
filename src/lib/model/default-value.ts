/** As model.json writes it: one value for all elements of a row, or a list of the row's shape. */
export type DefaultValue = number | string | boolean | DefaultValue[];
