/** Cameras: which there are, and how they are opened. */

import { cameraProblem, unsafeAddress } from "./problems";

/** Width and height that are asked for; cameras give what they have. */
const [WIDTH, HEIGHT] = [1280, 720];

export interface Camera {
  readonly id: string;
  readonly title: string;
}

/** Opens a camera by id, the front one without; throws PageError in words. */
export async function openCamera(id: string | null): Promise<MediaStream> {
  if (!isSecureContext || navigator.mediaDevices === undefined) throw unsafeAddress();
  const which = id === null ? { facingMode: "user" } : { deviceId: { exact: id } };
  const size = { width: { ideal: WIDTH }, height: { ideal: HEIGHT } };
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { ...which, ...size } });
  } catch (error) {
    throw cameraProblem(error);
  }
}

/** All cameras; they have names once one was allowed. */
export async function listCameras(): Promise<Camera[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter(({ kind }) => kind === "videoinput")
    .map(({ deviceId, label }, number) => ({
      id: deviceId,
      title: label || `Camera ${number + 1}`,
    }));
}

/** Whether people expect to see themselves: a camera that looks away from them says so. */
export function looksAtUser(stream: MediaStream): boolean {
  return stream.getVideoTracks()[0].getSettings().facingMode !== "environment";
}

export function closeStream(stream: MediaStream | null): void {
  stream?.getTracks().forEach((track) => track.stop());
}

/** The microphone's sound, or null if it is not allowed or missing. */
export async function openMicrophone(): Promise<MediaStream | null> {
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
