import type { GuestTools } from '@flexbso/testkit';

export type Accelerator = 'kvm' | 'tcg';

/** A machine to boot. `vhostSocket` is where a card serves the volume, null for a machine without one. */
export interface Machine {
  readonly tools: GuestTools;
  readonly initramfs: string;
  readonly accelerator: Accelerator;
  readonly vhostSocket: string | null;
  readonly consoleFile: string;
  /** A raw file that becomes the second disk: the guest copies the volume into it for this machine to look at. */
  readonly imageFile: string | null;
}

/** 88 MB of initramfs, twice while it is unpacked, fio, and the logs of minutes. */
const MEMORY = '512M';
/** Fixed places on the bus, in this order, so that the volume is /dev/vda and the image /dev/vdb. */
const VOLUME_PLACE = '0x8';
const IMAGE_PLACE = '0x9';

/** The command line of QEMU for a machine whose control port is its standard input and output. */
export function emulatorArguments(machine: Machine): string[] {
  return [
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-machine', 'q35', '-accel', machine.accelerator, '-smp', '1', '-m', MEMORY],
    // The card reads and writes the guest's memory: it has to be shared.
    ['-object', `memory-backend-memfd,id=memory,size=${MEMORY},share=on`, '-numa', 'node,memdev=memory'],
    ['-kernel', machine.tools.kernel, '-initrd', machine.initramfs],
    // A kernel that panics ends the machine at once, rather than at its host's deadline.
    ['-append', 'console=ttyS0 panic=-1 quiet'],
    ['-serial', `file:${machine.consoleFile}`],
    ['-chardev', 'stdio,id=control,signal=off'],
    ['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=control,name=control'],
    volumeArguments(machine.vhostSocket),
    imageArguments(machine.imageFile),
  ].flat();
}

function volumeArguments(socket: string | null): string[] {
  if (socket === null) return [];
  // A card that lost its data plane serves the same socket again. (`reconnect-ms` is not known to QEMU before 9.2.)
  // The daemon offers four queues; one vCPU fills one.
  const device = `vhost-user-blk-pci,chardev=volume,num-queues=1,addr=${VOLUME_PLACE}`;
  return ['-chardev', `socket,id=volume,path=${socket},reconnect=1`, '-device', device];
}

function imageArguments(file: string | null): string[] {
  if (file === null) return [];
  // The host reads the file while the machine runs; nothing in it outlives the machine.
  const drive = `file=${file},format=raw,if=none,id=image,cache=unsafe`;
  return ['-drive', drive, '-device', `virtio-blk-pci,drive=image,addr=${IMAGE_PLACE}`];
}
