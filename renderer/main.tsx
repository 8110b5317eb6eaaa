// oxlint-disable-next-line import/no-unassigned-import -- what it does has to be done before the others are evaluated
import './no-eval.ts';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { openApi } from './api.ts';
import { App } from './app.tsx';
import { tellCut } from './components/cut-text.ts';
import { refresh, start } from './store/live.ts';
import { useFleet } from './store/fleet.ts';
import { startSettings } from './store/settings.ts';
import { wire, wireNotices } from './wiring.ts';

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no #root');

let lost = false;
const api = openApi((problem) => {
  useFleet.setState({ linkProblem: problem });
  // Events were missed while the server was away: take the whole picture again.
  if (problem === null && lost) void refresh();
  lost = problem !== null;
});
startSettings();
wireNotices(api);
void start(api);
wire(api);
document.addEventListener('pointerover', tellCut, { passive: true });
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
