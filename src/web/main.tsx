import 'uplot/dist/uPlot.min.css';
import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/parts.css';
import './styles/tables.css';
import './styles/charts.css';
import { options, render } from 'preact';
import { App } from './app.js';
import { showAllCharacters } from './parts/visible-text.js';
import { Dashboard } from './state/dashboard.js';
import { DashboardContext } from './state/hooks.js';
import { startTheme } from './state/theme.js';
import { startZone } from './state/zone.js';

showAllCharacters(options);
const dashboard = new Dashboard(window);
startTheme(window);
startZone(window);
render(
  <DashboardContext.Provider value={dashboard}>
    <App />
  </DashboardContext.Provider>,
  document.getElementById('app') as HTMLElement,
);
dashboard.start();
