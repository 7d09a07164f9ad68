import type { CardStep } from '@flexbso/contracts';
import { handleCardStep, type CardStepHandlers } from '@flexbso/stack';
import { refused } from '../errors.js';
import { isExported } from '../graph/graph.js';
import { closeEncryption, formatEncryption, openEncryption } from './encryption-steps.js';
import { cancelCopy, copy, cutOver } from './copy-steps.js';
import { exportVolume, nbdServerArguments, unexportVolume } from './export-steps.js';
import { buildHead, closeStack, removeHead, setLimits, undoWidening, widenLimits } from './head-steps.js';
import { growHead } from './grow-steps.js';
import { closeLeg, openLeg } from './leg-steps.js';
import { buildOverlay, formatOverlay, ontoOverlay, removeOverlay } from './overlay-steps.js';
import { buildRedundancy, removeRedundancy } from './redundancy-steps.js';
import { look, type StepScene } from './step-scene.js';
import { buildWindow, removeWindow } from './window-steps.js';

const notHere = (what: string) =>
  refused('missing-capability', `qemu-storage-daemon has no ${what} that could carry a guest's data safely`);
const nothingToUndo = (): Promise<void> => Promise.resolve();

/** How each kind of step is carried out. Every one looks at the daemon first. */
function performers(scene: StepScene): CardStepHandlers<Promise<void>> {
  return {
    'start-data-plane': () => scene.daemon.start(nbdServerArguments(scene.daemon)),
    'open-leg': (step) => openLeg(scene, step),
    'format-encryption': (step) => formatEncryption(scene, step),
    'open-encryption': (step) => openEncryption(scene, step),
    'build-redundancy': (step) => buildRedundancy(scene, step),
    'build-compression': () => Promise.reject(notHere('compression')),
    'build-window': (step) => buildWindow(scene, step),
    'format-overlay': (step) => formatOverlay(scene, step),
    'build-overlay': (step) => buildOverlay(scene, step),
    'build-head': (step) => buildHead(scene, step),
    'export-volume': (step) => exportVolume(scene, step),
    'set-limits': (step) => setLimits(scene, step.to),
    'widen-limits': (step) => widenLimits(scene, step),
    'restore-limits': (step) => setLimits(scene, step.to),
    copy: (step) => copy(scene, step),
    'cut-over': (step) => (step.onto === 'overlay' ? ontoOverlay(scene, step) : cutOver(scene, step)),
    'grow-head': (step) => growHead(scene, step),
    'unexport-volume': (step) => unexportVolume(scene, step),
    'close-stack': (step) => closeStack(scene, step),
    'stop-data-plane': (step) => (step.evenIfAttached ? scene.daemon.kill() : stopDataPlane(scene)),
  };
}

/** How each kind of step is taken back. What only ever comes after the cut-over has nothing to take back. */
function undoers(scene: StepScene): CardStepHandlers<Promise<void>> {
  return {
    'start-data-plane': () => stopDataPlane(scene),
    'open-leg': (step) => closeLeg(scene, step),
    // The header stays on its fresh leg, which goes with the undone change.
    'format-encryption': nothingToUndo,
    'open-encryption': (step) => closeEncryption(scene, step),
    'build-redundancy': (step) => removeRedundancy(scene, step),
    'build-compression': nothingToUndo,
    'build-window': (step) => removeWindow(scene, step),
    // Its tables stay on its fresh legs, which go with the undone change.
    'format-overlay': nothingToUndo,
    'build-overlay': (step) => removeOverlay(scene, step),
    'build-head': () => removeHead(scene),
    'export-volume': (step) => unexportVolume(scene, { ...step, kind: 'unexport-volume' }),
    'set-limits': (step) => setLimits(scene, step.from),
    'widen-limits': (step) => undoWidening(scene, step),
    'restore-limits': nothingToUndo,
    copy: (step) => cancelCopy(scene, step),
    'cut-over': () =>
      Promise.reject(refused('cut-over-passed', 'a cut-over is never undone: from it on the change is completed')),
    'grow-head': nothingToUndo,
    'unexport-volume': nothingToUndo,
    'close-stack': nothingToUndo,
    'stop-data-plane': nothingToUndo,
  };
}

export const performCardStep = (scene: StepScene, step: CardStep): Promise<void> =>
  handleCardStep(performers(scene), step);
export const undoCardStep = (scene: StepScene, step: CardStep): Promise<void> => handleCardStep(undoers(scene), step);

/** Ends the daemon with everything in it. An export may carry a guest: that goes first, by its own step. */
async function stopDataPlane(scene: StepScene): Promise<void> {
  if ((await scene.daemon.pid()) !== null) {
    const graph = await look(scene);
    if (isExported(graph))
      throw refused(
        'step-failed',
        `${scene.volumeId} is still exported (${graph.exports.join(', ')}): its data plane is not stopped`,
      );
  }
  await scene.daemon.stop();
}
