/** `minicube ssh`: a shell or a command in the node, with a terminal where there is one. */
import { type ClusterOptions, openNode } from './runningNode.ts'

export interface NodeExecOptions extends ClusterOptions {
  /** A login shell unless given. */
  command?: string[]
  /** Give the command a terminal: for interactive use, when `stdin` is one. */
  tty: boolean
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
}

const SHELL = ['/bin/bash', '-l']

/** Answers the command's exit code. */
export async function execInNode(options: NodeExecOptions): Promise<number> {
  const { command = SHELL, tty, stdin, stdout, stderr, signal } = options
  const { container } = await openNode(options)
  const exec = await container.exec({
    Cmd: command,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: tty,
    Env: [`TERM=${process.env.TERM ?? 'xterm'}`],
  })
  const stream = await exec.start({ hijack: true, stdin: true, Tty: tty })
  const resize = (): void => {
    exec.resize({ h: stdout.rows, w: stdout.columns }).catch(() => {})
  }
  const raw = tty && stdin.isTTY
  if (raw) {
    stdin.setRawMode(true)
    stdout.on('resize', resize)
    resize()
  }
  const onAbort = (): void => {
    stream.destroy()
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    stdin.pipe(stream)
    if (tty) stream.pipe(stdout, { end: false })
    else container.modem.demuxStream(stream, stdout, stderr)
    await new Promise<void>((resolve, reject) => {
      stream.once('end', resolve)
      stream.once('close', resolve)
      stream.once('error', reject)
    })
    signal.throwIfAborted()
    return (await exec.inspect()).ExitCode ?? 0
  } finally {
    signal.removeEventListener('abort', onAbort)
    stdout.off('resize', resize)
    stdin.unpipe(stream)
    if (raw) stdin.setRawMode(false)
    stdin.pause()
    stdin.unref?.()
  }
}
