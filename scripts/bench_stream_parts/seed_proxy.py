"""A stand-in for the browser_proxy.py of the owner's notes: a backend connection for each browser, and
every message received whole and awaited onwards, in both directions.

python seed_proxy.py PORT BACKEND_PORT
"""
import asyncio, sys
import websockets

PORT, BACKEND = int(sys.argv[1]), int(sys.argv[2])


async def forward(source, destination):
    async for message in source:
        await destination.send(message)


async def handle_browser_client(browser):
    async with websockets.connect(f"ws://127.0.0.1:{BACKEND}") as backend:
        both = [asyncio.create_task(forward(browser, backend)), asyncio.create_task(forward(backend, browser))]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()


async def main():
    async with websockets.serve(handle_browser_client, "127.0.0.1", PORT, backlog=4096):
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
