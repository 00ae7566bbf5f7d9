import { storeContract } from '../contract.ts'
import { createMemoryStore } from './memoryStore.ts'

storeContract('the memory store', async () => ({ store: createMemoryStore() }))
