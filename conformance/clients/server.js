// Starts the built binary in an empty folder, for one test file. ONWARD_BINARY
// names it.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

const readyWithin = 30_000 // milliseconds

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

/** Starts a server; resolves to its origin, its FHIR base URL and how to stop it. */
export async function start(...flags) {
  const binary = process.env.ONWARD_BINARY
  if (!binary) throw new Error('ONWARD_BINARY must name the built binary; make clients sets it')
  const folder = await mkdtemp(join(tmpdir(), 'onward-clients-'))
  const origin = `http://127.0.0.1:${await freePort()}`
  const child = spawn(binary, ['serve', '--listen', origin.slice('http://'.length), ...flags], { cwd: folder })
  let printed = ''
  child.stdout.on('data', (text) => { printed += text })
  child.stderr.on('data', (text) => { printed += text })
  let ended = false
  const end = new Promise((resolve) => {
    child.once('error', (error) => { printed += error; ended = true; resolve() })
    child.once('exit', () => { ended = true; resolve() })
  })
  const stop = async () => {
    child.kill('SIGKILL')
    await end
    await rm(folder, { recursive: true, force: true })
  }
  const deadline = Date.now() + readyWithin
  for (;;) {
    if (ended) throw new Error(`onward ended at start:\n${printed}`)
    const answer = await fetch(`${origin}/readyz`).catch(() => null)
    if (answer?.ok) return { origin, base: `${origin}/FHIR/R4`, stop }
    if (Date.now() > deadline) {
      await stop()
      throw new Error(`onward did not get ready:\n${printed}`)
    }
    await wait(20)
  }
}
