/** The dock of the centre column: jobs, processes, events and terminals of the host in view. */
import type { ReactElement } from 'react';
import type { Sample } from '../../model/sample.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { isOver } from '../domain/job-text.ts';
import { useTerminals } from '../store/terminals.ts';
import { useUi } from '../store/ui.ts';
import type { DockTab } from '../store/ui.ts';
import { EventList } from '../components/event-list.tsx';
import { PaneEdge } from '../components/pane-edge.tsx';
import { AuditPanel, AuditTools } from '../features/audit/audit-panel.tsx';
import { JobsPanel, JobsTools } from '../features/jobs/jobs-panel.tsx';
import { ProcessTable } from '../features/processes/process-table.tsx';
import { TerminalPanel } from '../features/terminal/terminal-panel.tsx';

export function Dock(props: { readonly host: HostSnapshot; readonly sample: Sample | null }): ReactElement {
  const { host, sample } = props;
  const tab = useUi((s) => s.dock);
  const terminals = useTerminals((s) =>
    s.tabs.reduce((sum, one) => sum + (one.hostId === host.id ? 1 : 0), 0),
  );
  const tabButton = (name: DockTab, word: string, count: number | null): ReactElement => (
    <button
      type="button"
      role="tab"
      id={`dock-tab-${name}`}
      aria-selected={tab === name}
      aria-controls="dock-panel"
      onClick={() => useUi.setState({ dock: name, auditSliceId: null, jobLog: false })}
    >
      {word} {count !== null && <span className="three">{count}</span>}
    </button>
  );
  return (
    <section className="dock" aria-label="Dock">
      <PaneEdge pane="dock" label="Height of the dock" />
      <nav aria-label="Dock">
        <div className="tabs" role="tablist" aria-label="Below">
          {tabButton(
            'jobs',
            'Jobs',
            host.jobs === null ? null : host.jobs.jobs.filter((job) => !isOver(job)).length,
          )}
          {tabButton(
            'processes',
            'Processes',
            sample === null ? null : sample.processes.length + sample.processesOmitted,
          )}
          {tabButton('events', 'Events', null)}
          {tabButton('audit', 'Audit', null)}
          {tabButton('terminal', 'Terminal', terminals === 0 ? null : terminals)}
        </div>
        <div className="grow" />
        {tab === 'jobs' && <JobsTools host={host} />}
        {tab === 'audit' && <AuditTools host={host} />}
        {tab === 'processes' && (
          <span className="micro three wide">in a row: I interrupt, T stop, K kill</span>
        )}
      </nav>
      <div
        className="scroll"
        id="dock-panel"
        role="tabpanel"
        aria-labelledby={`dock-tab-${tab}`}
        // Who uses keys alone can scroll a list that has nothing to press in it. A terminal scrolls for itself.
        tabIndex={tab === 'terminal' ? undefined : 0}
      >
        {tab === 'jobs' ? (
          <JobsPanel host={host} />
        ) : tab === 'processes' ? (
          <ProcessTable host={host} sample={sample} />
        ) : tab === 'terminal' ? (
          <TerminalPanel key={host.id} host={host} />
        ) : tab === 'audit' ? (
          <AuditPanel host={host} />
        ) : (
          <div className="dock-events">
            <EventList hostId={host.id} sliceId={null} max={200} />
          </div>
        )}
      </div>
    </section>
  );
}
