/** Why a pod is not taken, as its status and event say it. */
export interface Rejection {
  reason: string
  message: string
}
