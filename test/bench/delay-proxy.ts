/** A TCP proxy on loopback that holds every byte back for a fixed time, each way: half a round trip. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

function delayed(from: Socket, to: Socket, delayMs: number): void {
  from.on('data', (chunk) => {
    setTimeout(() => {
      if (!to.destroyed) to.write(chunk);
    }, delayMs);
  });
  from.on('close', () => {
    setTimeout(() => {
      to.destroy();
    }, delayMs);
  });
  from.on('error', () => undefined); // 'close' follows
}

export async function startDelayProxy(
  port: number,
  roundTripMs: number,
): Promise<{ readonly port: number; stop(): void }> {
  const server = createServer((client) => {
    client.setNoDelay(true);
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true });
    delayed(client, upstream, roundTripMs / 2);
    delayed(upstream, client, roundTripMs / 2);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, stop: () => server.close() };
}
