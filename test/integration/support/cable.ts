/** A cable on loopback that can be pulled, cut in the middle of a message, and put back. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Cable {
  readonly port: number;
  /** Passes the first half of the next `from` message on, then breaks every connection. Resolves when it is done. */
  cutInMessage(from: 'server' | 'client'): Promise<void>;
  /** Breaks every connection; new ones are refused until `plugIn`. */
  pull(): void;
  plugIn(): Promise<void>;
  stop(): void;
}

export async function startCable(serverPort: number): Promise<Cable> {
  const sockets = new Set<Socket>();
  let cut: { readonly from: 'server' | 'client'; readonly done: () => void } | null = null;
  const breakAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  const pass = (from: Socket, to: Socket, side: 'server' | 'client') => {
    sockets.add(from);
    from.on('error', () => undefined); // 'close' follows
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    from.on('data', (chunk: Buffer) => {
      if (cut?.from === side && chunk.length > 1) {
        const { done } = cut;
        cut = null;
        // resetAndDestroy would take back what was written: a graceful end delivers the half.
        to.end(chunk.subarray(0, Math.floor(chunk.length / 2)), () => {
          breakAll();
          done();
        });
        return;
      }
      if (!to.destroyed && to.writable) to.write(chunk);
    });
  };
  const server = createServer((client) => {
    client.setNoDelay(true);
    const upstream = connect({ port: serverPort, host: '127.0.0.1', noDelay: true });
    pass(client, upstream, 'client');
    pass(upstream, client, 'server');
  });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    cutInMessage: (from) =>
      new Promise((resolve) => {
        cut = { from, done: resolve };
      }),
    pull: () => {
      server.close();
      breakAll();
    },
    plugIn: () => listen(port),
    stop: () => {
      server.close();
      breakAll();
    },
  };
}
