import { after, before, describe } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { storeContract } from '../contract.ts'
import { openEtcdStore } from './etcdStore.ts'
import { createEtcd, findEtcd, type EtcdServer } from './testing/server.ts'

const found = await findEtcd(AbortSignal.timeout(300_000))
const skip = 'missing' in found ? found.missing : false

describe('with a real etcd', { skip }, () => {
  let etcd: EtcdServer
  let stores = 0
  before(async () => {
    if ('missing' in found) return
    etcd = await createEtcd(found.program, ['--unsafe-no-fsync'])
    await etcd.start()
  })
  after(() => etcd.remove())

  storeContract('the etcd store', async () => {
    const keyPrefix = `/contract-${stores++}`
    const open = () => openEtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, keyPrefix })
    let store = await open()
    const startRevision = await store.revision()
    const reopen = async () => {
      await store.close()
      store = await open()
      return store
    }
    return { store, reopen, startRevision, shared: true }
  })
})
