/** Components of renderer/components that do not stand in the gallery, each with the reason; there is none today. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {};
