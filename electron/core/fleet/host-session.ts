/** One host, put together of its parts: who hears of what. Each part owns what its name says, and nothing else. */
import type { HostSnapshot, TransportChoice } from '../../../model/model.ts';
import { HostChannel, type HostChannelOptions } from './host-channel.ts';
import { HostDeployment, type HostDeploymentOptions } from './host-deployment.ts';
import { HostLink, type HostLinkOptions } from './host-link.ts';
import { HostPicture, type HostPictureOptions } from './host-picture.ts';
import { HostRequests } from './host-requests.ts';
import { HostTerminals, type HostTerminalsOptions } from './host-terminals.ts';

export interface SessionOptions
  extends
    HostPictureOptions,
    HostLinkOptions,
    HostChannelOptions,
    HostTerminalsOptions,
    HostDeploymentOptions {}

export class HostSession {
  readonly link: HostLink;
  readonly requests: HostRequests;
  readonly terminals: HostTerminals;
  readonly deployment: HostDeployment;
  private readonly picture: HostPicture;
  private readonly channel: HostChannel;

  constructor(options: SessionOptions) {
    const picture = new HostPicture(options);
    const link = new HostLink(options, picture, {
      opened: (connection) => channel.attach(connection),
      closed: (lost) => {
        channel.detach(lost);
      },
    });
    const channel = new HostChannel(options, picture, link, {
      missing: (connection, lines) => deployment.missing(connection, lines),
      event: (event) => {
        terminals.onEvent(event);
      },
    });
    const terminals = new HostTerminals(options, channel);
    const deployment = new HostDeployment(options, { picture, link, channel, terminals });
    this.picture = picture;
    this.link = link;
    this.channel = channel;
    this.requests = new HostRequests(channel);
    this.terminals = terminals;
    this.deployment = deployment;
  }

  get current(): HostSnapshot {
    return this.picture.current;
  }

  /** For the next attempt; what is connected stays as it is. */
  setTransport(choice: TransportChoice): void {
    this.picture.setTransportChoice(choice);
  }

  /** Tries again, or looks again where there is something to be looked at. */
  retry(): void {
    if (this.picture.connection.kind === 'preview') this.deployment.lookAgain();
    else this.link.retryNow();
  }

  setVisible(visible: boolean): void {
    this.deployment.setVisible(visible);
    this.channel.setVisible(visible);
  }
}
