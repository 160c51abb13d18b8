import { type SettingName, settingOf } from './settings.js';

/**
 * Settings as variables for a program that this one starts, so that they apply there too.
 * @param given values as typed, by setting name; relative paths stay so, for a program with the same directory
 */
export function settingsAsVariables(given: Partial<Record<SettingName, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      settingOf(name as SettingName).env,
      Array.isArray(value) ? value.join(',') : String(value),
    ]),
  );
}
