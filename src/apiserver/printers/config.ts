/** Tables of what a namespace holds beside what runs in it: configuration, secrets, quotas. */
import type { ConfigMap, PodTemplate, ResourceQuota, Secret, ServiceAccount } from '../../api/kinds/core/v1.ts'
import { age, name, printer, text, type Printers } from './columns.ts'
import { containerImages, containerNames, formatLabels } from './format.ts'

const count = (map: object | undefined): number => Object.keys(map ?? {}).length

const isLimit = (resource: string): boolean => resource.startsWith('limits.')

function usage({ status }: ResourceQuota, wanted: (resource: string) => boolean): string {
  const { hard = {}, used = {} } = status ?? {}
  const resources = Object.keys(hard).filter(wanted).sort()
  return resources.map((resource) => `${resource}: ${used[resource] ?? '0'}/${hard[resource]}`).join(', ')
}

export const configPrinters: Printers = {
  '/configmaps': printer<ConfigMap>(
    name,
    text('Data', ({ data, binaryData }) => count(data) + count(binaryData)),
    age,
  ),
  '/secrets': printer<Secret>(
    name,
    text('Type', ({ type }) => type ?? ''),
    text('Data', ({ data }) => count(data)),
    age,
  ),
  '/serviceaccounts': printer<ServiceAccount>(name, age),
  '/resourcequotas': printer<ResourceQuota>(
    name,
    text('Request', (quota) => usage(quota, (resource) => !isLimit(resource))),
    text('Limit', (quota) => usage(quota, isLimit)),
    age,
  ),
  '/podtemplates': printer<PodTemplate>(
    name,
    text('Containers', ({ template }) => containerNames(template?.spec?.containers)),
    text('Images', ({ template }) => containerImages(template?.spec?.containers)),
    text('Pod Labels', ({ template }) => formatLabels(template?.metadata?.labels)),
  ),
}
