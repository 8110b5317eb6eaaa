// oxlint-disable-next-line import/no-unassigned-import -- what it does has to be done before the others are evaluated
import '../../renderer/no-eval.ts';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { openApi } from '../../renderer/api.ts';
import { tellCut } from '../../renderer/components/cut-text.ts';
import { start } from '../../renderer/store/live.ts';
import { useFleet } from '../../renderer/store/fleet.ts';
import { startSettings } from '../../renderer/store/settings.ts';
import { Gallery } from './gallery.tsx';
import { SECTIONS } from './sections.ts';
import { shotsOf } from './state.ts';

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no #root');

// For the photographer, who runs outside the page and cannot import what only a page can draw.
Object.assign(window, { __galleryShots: shotsOf(SECTIONS) });
startSettings();
document.addEventListener('pointerover', tellCut, { passive: true });
// Another place is another page: what a state keeps or has opened is not left to the next one.
addEventListener('hashchange', () => location.reload());
const page = createRoot(root);
const draw = (): void =>
  page.render(
    <StrictMode>
      <Gallery place={decodeURIComponent(location.hash.slice(1))} />
      {/* As in the window: menus float in here. */}
      <section id="floating" aria-label="Menus" />
    </StrictMode>,
  );
// What is drawn of the lab is there from the first frame on.
void start(openApi((problem) => useFleet.setState({ linkProblem: problem }))).then(draw);
