import type { Caller } from '@flexbso/contracts';
import {
  applyDecorators,
  createParamDecorator,
  type ExecutionContext,
  HttpCode,
  RequestMapping,
  RequestMethod,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { callOf, type HttpMethod, type Route } from './route.js';

const methods: Readonly<Record<HttpMethod, RequestMethod>> = {
  GET: RequestMethod.GET,
  POST: RequestMethod.POST,
  PATCH: RequestMethod.PATCH,
  DELETE: RequestMethod.DELETE,
};
const served = new Map<Function, Route>();
const callers = new WeakMap<FastifyRequest, Caller>();

/** Serves a route by this method, which gets the checked request by `@Call()`. */
export function Serve(route: Route): MethodDecorator {
  const remember: MethodDecorator = (_target, _name, descriptor) => {
    if (typeof descriptor.value === 'function') served.set(descriptor.value, route);
  };
  // Where a route can also answer otherwise, its method says so.
  const [status] = Object.keys(route.replies);
  return applyDecorators(
    RequestMapping({ method: methods[route.method], path: route.path.replaceAll(/\{(\w+)\}/g, ':$1') }),
    HttpCode(Number(status ?? 200)),
    remember,
  );
}

/** The route that a handler serves. */
export function routeOf(execution: ExecutionContext): Route {
  const route = served.get(execution.getHandler());
  if (route === undefined) throw new TypeError(`${execution.getHandler().name} serves no route: use @Serve`);
  return route;
}

/** Who asks, once it is known; the guard's to set. */
export function setCaller(request: FastifyRequest, caller: Caller): void {
  callers.set(request, caller);
}

/** The checked request, as `CallOf<typeof route>`. */
export const Call = createParamDecorator((_data: unknown, execution: ExecutionContext) => {
  const request = execution.switchToHttp().getRequest<FastifyRequest>();
  const route = routeOf(execution);
  const caller = callers.get(request);
  // An open route knows no caller and takes nothing from its request, so it has no use for this.
  if (caller === undefined) throw new TypeError(`${route.operationId} has no caller: the guard let it through`);
  return callOf(route, request, caller);
});
