/** `import text from './name.sh?raw'`: the file's text, put into the bundle by vite and read by vitest. */
declare module '*.sh?raw' {
  const text: string;
  // oxlint-disable-next-line import/no-default-export -- vite gives the text as the default export
  export default text;
}
