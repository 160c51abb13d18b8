import 'uplot/dist/uPlot.min.css';
import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/parts.css';
import './styles/tables.css';
import './styles/charts.css';
import { render } from 'preact';
import { App } from './app.js';
import { Dashboard } from './state/dashboard.js';
import { DashboardContext } from './state/hooks.js';
import { startTheme } from './state/theme.js';

const dashboard = new Dashboard(window);
startTheme(window);
render(
  <DashboardContext.Provider value={dashboard}>
    <App />
  </DashboardContext.Provider>,
  document.getElementById('app') as HTMLElement,
);
dashboard.start();
