/** NVIDIA's name without NVIDIA: for narrow places. */
export const shortGpuName = (name: string): string =>
  name.replace(/^NVIDIA\s+/i, '').replace(/^GeForce\s+/i, '');
