import { Module, type INestMicroservice, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CustomStrategy } from '@nestjs/microservices';

/** A Nest application of one controller on one transport, listening. For specs of the transports. */
export async function listenWith(controller: Type, strategy: CustomStrategy['strategy']): Promise<INestMicroservice> {
  class Root {}
  Module({ controllers: [controller] })(Root);
  const app = await NestFactory.createMicroservice<CustomStrategy>(Root, {
    strategy,
    logger: false,
    abortOnError: false,
  });
  await app.listen();
  return app;
}
