/**
 * The page may not make code from text (CSP), and zod must not even try. Imported by main.tsx before anything else: a
 * schema that is made before this has been said has tried already.
 */
import { z } from 'zod';

z.config({ jitless: true });
