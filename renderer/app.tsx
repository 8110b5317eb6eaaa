/** The frame: top bar, hosts, centre, inspector, status; and whatever floats above them. */
import { useEffect } from 'react';
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../model/model.ts';
import { useFleet, useHost } from './store/fleet.ts';
import { useHostSlices } from './store/host-slices.ts';
import { toggleDemo } from './store/live.ts';
import { selectedGpu, selectedSlice } from './store/selected.ts';
import { openDialog, useUi } from './store/ui.ts';
import { Button, vars } from './components/bits.tsx';
import { PaneEdge, usePanes } from './components/pane-edge.tsx';
import type { Pane } from './components/pane-edge.tsx';
import { useSample } from './components/use-sample.ts';
import { onWindowKey } from './commands/keys.ts';
import { FleetInspector } from './features/fleet/fleet-inspector.tsx';
import { GpuInspector } from './features/gpus/gpu-inspector.tsx';
import { HostInspector } from './features/hosts/host-inspector.tsx';
import { HostList } from './features/hosts/host-list.tsx';
import { Plain } from './features/hosts/host-states.tsx';
import { Palette } from './features/palette/palette.tsx';
import { PromptDialogs } from './features/prompts/prompt-dialog.tsx';
import { ManyInspector } from './features/slices/many-inspector.tsx';
import { SliceInspector } from './features/slices/slice-inspector.tsx';
import { Dialogs } from './shell/dialogs.tsx';
import { FleetMain } from './shell/fleet-main.tsx';
import { HostMain } from './shell/host-main.tsx';
import { StatusBar } from './shell/status-bar.tsx';
import { Toast } from './shell/toast.tsx';
import { TopBar } from './shell/top-bar.tsx';

/** The tokens that the stylesheet lays the frame out with. */
const PANE_TOKENS: Readonly<Record<Pane, `--${string}`>> = {
  hosts: '--hosts-width',
  inspector: '--inspector-width',
  dock: '--dock-height',
};

export function App(): ReactElement {
  const hostId = useUi((s) => s.hostId);
  const scope = useUi((s) => s.scope);
  const selection = useUi((s) => s.selection);
  const host = useHost(hostId);
  const picked = useHostSlices(useUi((s) => s.picked));
  const problem = useFleet((s) => s.linkProblem);
  const sizes = usePanes((s) => s.sizes);
  const paneSizes = Object.fromEntries(
    Object.entries(sizes).map(([pane, px]) => [PANE_TOKENS[pane as Pane], `${String(px)}px`]),
  );
  useEffect(() => {
    window.addEventListener('keydown', onWindowKey);
    return () => window.removeEventListener('keydown', onWindowKey);
  }, []);
  useTitle(host);
  return (
    <div className="app" style={vars(paneSizes)}>
      <TopBar host={host} />
      <HostList />
      {scope === 'fleet' ? <FleetMain /> : host === null ? <NoHost /> : <HostMain host={host} />}
      <aside className="right" aria-label="Inspector">
        <PaneEdge pane="inspector" label="Width of the inspector" />
        {picked.length > 1 ? (
          <ManyInspector slices={picked} />
        ) : scope === 'fleet' && selection.kind === 'host' ? (
          <FleetInspector />
        ) : host === null ? (
          <div className="inspector" />
        ) : (
          <Inspector host={host} />
        )}
      </aside>
      <StatusBar host={host} />
      <section className="toasts" aria-label="Messages">
        <Toast />
      </section>
      {/* Menus float in here, so that they belong to a part of the page that has a name. */}
      <section id="floating" aria-label="Menus" />
      {problem !== null && (
        <div className="link-problem" role="alert">
          {problem}
        </div>
      )}
      <Palette />
      <Dialogs />
      <PromptDialogs />
      <Announcer />
    </div>
  );
}

function useTitle(host: HostSnapshot | null): void {
  useUi((s) => s.selection);
  const slice = host === null ? null : selectedSlice(host);
  const title = [slice?.name, host?.name, 'Tranche'].filter((part) => part !== undefined).join(' · ');
  useEffect(() => {
    document.title = title;
  }, [title]);
}

function Announcer(): ReactElement {
  const text = useUi((s) => s.announcement);
  return (
    <div className="unseen" role="status" aria-live="polite">
      {text}
    </div>
  );
}

function NoHost(): ReactElement {
  const { loaded, order, demo } = useFleet();
  const heading = <h1 className="unseen">Tranche</h1>;
  if (!loaded) {
    return (
      <main className="centre" aria-busy="true">
        {heading}
      </main>
    );
  }
  if (order.length > 0) {
    return (
      <main className="centre">
        {heading}
        <Plain title="Choose a host" text="Its GPUs and slices are shown here." />
      </main>
    );
  }
  return (
    <main className="centre">
      {heading}
      <Plain
        title="No hosts yet"
        text="Hosts in ~/.ssh/config appear here by themselves. Or type one, or look around in the demo lab: real agents on simulated GPUs, on this machine only."
        act={
          <>
            <Button kind="primary" onClick={() => openDialog({ kind: 'connect' })}>
              Connect to a host…
            </Button>
            <Button
              refusal={demo.available ? null : (demo.note ?? 'The demo lab needs Linux.')}
              onClick={() => void toggleDemo()}
            >
              Start the demo lab
            </Button>
          </>
        }
      />
    </main>
  );
}

function Inspector({ host }: { readonly host: HostSnapshot }): ReactElement {
  useUi((s) => s.selection);
  const sample = useSample(host.id);
  const slice = selectedSlice(host);
  const gpu = selectedGpu(host);
  if (slice !== null && gpu !== null) {
    return <SliceInspector key={slice.id} host={host} gpu={gpu} slice={slice} sample={sample} />;
  }
  if (gpu !== null) return <GpuInspector key={gpu.uuid} host={host} gpu={gpu} sample={sample} />;
  return <HostInspector key={host.id} host={host} sample={sample} />;
}
