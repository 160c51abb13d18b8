import { installOne, linesToType, managerFor, onPath, privilegeOf } from './packages.mjs';
import { SetupError, say } from './say.mjs';

/** Programs that the tests of the dashboard drive, in the order in which test/browser/browser.ts looks for them. */
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

const PACKAGES = { 'apt-get': ['chromium'], apk: ['chromium'], dnf: ['chromium'] };

/** Installs Chromium for the tests of the dashboard where that needs no password. Without it they are skipped. */
export function ensureChromium() {
  if (BROWSERS.some(onPath)) return;
  const manager = managerFor(PACKAGES);
  const prefix = manager && privilegeOf(manager);
  if (prefix === undefined) {
    const how = manager ? ` Type\n${linesToType(manager, 'chromium')}` : '';
    return say(`chromium is not installed: the tests of the dashboard in a browser are skipped.${how}`);
  }
  say(`installing chromium with ${manager.command} ...`);
  try {
    installOne(manager, PACKAGES[manager.command], prefix);
    say('chromium installed');
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`${error.message}\nThe tests of the dashboard in a browser are skipped.`);
  }
}
