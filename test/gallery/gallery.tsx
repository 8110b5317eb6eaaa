/** The page: one section, or one state that is alone on it. */
import type { ReactElement } from 'react';
import { SECTIONS } from './sections.ts';
import { placeOf } from './state.ts';
import type { GallerySection } from './state.ts';

function Section({ section }: { readonly section: GallerySection }): ReactElement {
  return (
    <main className={`gallery of-${section.name}`}>
      <h1>{section.title}</h1>
      <div className="cells">
        {section.states
          .filter(({ alone }) => alone === undefined)
          .map(({ name, draw, isWide }) => (
            <figure key={name} className={isWide === true ? 'is-wide' : undefined} aria-label={name}>
              <figcaption>{name}</figcaption>
              {draw()}
            </figure>
          ))}
      </div>
    </main>
  );
}

export function Gallery({ place }: { readonly place: string }): ReactElement {
  const section = SECTIONS.find((one) => placeOf(one) === place);
  if (section !== undefined) return <Section section={section} />;
  for (const one of SECTIONS) {
    const state = one.states.find((state) => placeOf(one, state) === place);
    if (state !== undefined) return <main className="gallery is-alone">{state.draw()}</main>;
  }
  return (
    <main className="gallery">
      {SECTIONS.map((one) => (
        <p key={one.name}>
          <a href={`#${placeOf(one)}`}>{one.title}</a>
        </p>
      ))}
    </main>
  );
}
